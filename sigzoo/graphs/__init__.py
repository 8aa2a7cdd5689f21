"""Networks as they are run: batch normalisation folded, watched for changes by hand."""
