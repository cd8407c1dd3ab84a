"""What FluentPro costs and how fast it follows, each as a ratio to what one would use instead of it."""
