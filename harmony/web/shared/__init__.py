"""Parts that every page shares: layout, lists, filters, files, errors."""
