//! Response lines as values.
