"""What plugins import: contracts, vocabulary and the hook marker. Everything here is public and stable."""

__all__ = [name for name in dir() if not name.startswith("_")]
