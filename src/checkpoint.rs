//! How far delivery has come, on disk.
