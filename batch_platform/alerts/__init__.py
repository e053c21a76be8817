"""Who is told that something is wrong, once, and when it is over: from findings to messages, without Dagster."""
