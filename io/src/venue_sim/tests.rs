//! The exchange without sockets.
