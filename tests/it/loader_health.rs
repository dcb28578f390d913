//! What a running `loader` says of itself over HTTP.
