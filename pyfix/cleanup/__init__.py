"""cleanup - completes, rewrites and stores incoming mail."""
