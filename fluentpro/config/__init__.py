"""The engine: layers in, one immutable snapshot out. Knows neither Django nor FluentPro's schema."""
