//! The state directory damaged, full, read-only or replaced: nothing outside is touched and the next run is right.
