//! What a checkout can hold that is no ordinary file: each is refused by name, in time, and nothing outside is read or written.
