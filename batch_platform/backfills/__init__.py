"""What a backfill would do, worked out before anything runs: from declarations and facts, without Dagster."""
