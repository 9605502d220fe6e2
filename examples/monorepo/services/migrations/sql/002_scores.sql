create table scores (
    customer text not null references customers (id),
    model text not null,
    score real not null check (score between 0 and 1),
    day integer not null,
    primary key (customer, model, day)
);
create index scores_by_day on scores (day, model);
