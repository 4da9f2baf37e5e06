//! striate
