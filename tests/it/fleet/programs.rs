//! The real program, several of them: kill -9, standing still, starting late, starting anew.
