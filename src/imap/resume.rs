//! Where to go on: the checkpoint compared with what EXAMINE said. Pure.
