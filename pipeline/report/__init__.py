"""What happened becomes what a person or a program reads: summary, tables, pages."""
