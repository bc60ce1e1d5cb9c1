"""Dynamic providers, thin: they move values between Pulumi, probes and delivery. Their module and class names are a state format."""
