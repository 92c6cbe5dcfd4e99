"""What ``import harness`` offers, by what it does: loading, benching, evaluating and scoring, comparing."""
