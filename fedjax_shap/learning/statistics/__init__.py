"""Models that merge statistics, one file a family, and their registry."""
