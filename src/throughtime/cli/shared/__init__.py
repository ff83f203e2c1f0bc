"""What the subcommands share: options, tables, and the one way out."""
