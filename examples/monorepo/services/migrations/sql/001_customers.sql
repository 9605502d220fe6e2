create table customers (
    id text primary key,
    joined integer not null
);
