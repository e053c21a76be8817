"""What must be made now, and why what is missing is missing: decided from declarations and facts, without Dagster."""
