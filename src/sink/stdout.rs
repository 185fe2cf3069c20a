//! Events to standard output, one a line.
