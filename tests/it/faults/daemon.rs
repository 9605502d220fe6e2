//! A Docker daemon that is gone, restarted, slow, or lies: every question has an end, and the screen says what is wrong.
