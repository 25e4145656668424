//! Real AWS clients that read what is published, as it would be mounted.

mod agent;
mod files;
mod given;
mod matrix;
mod recipes;
mod sdks;
mod table;
