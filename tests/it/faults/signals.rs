//! Signals at random moments: the program ends in time, leaves no process behind, and the next run is right.
