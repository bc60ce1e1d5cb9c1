"""Every decision of Verdigris, and nothing else: pure functions and frozen values, without Pulumi, HTTP, files, clock or environment."""
