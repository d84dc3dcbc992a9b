"""The subcommands of `shop`, one file each."""
