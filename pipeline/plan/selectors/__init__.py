"""What `--select` and `--exclude` say → a predicate over items, as in dbt."""
