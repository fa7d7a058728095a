"""First-party plugins, through the same public door as a third party's."""
