//! Registries that loop, throttle, hang or lie: an end in time, the cause in words, nothing wrong recorded.
