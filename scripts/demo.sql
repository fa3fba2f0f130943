-- A small application beside pgbench's tables, with a bit of everything: the demo's source.
CREATE SCHEMA shop;

CREATE TYPE shop.state AS ENUM ('open', 'paid', 'sent');
CREATE DOMAIN shop.price AS numeric(12, 2) CHECK (VALUE >= 0);

CREATE TABLE shop.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    mail text NOT NULL UNIQUE,
    profile jsonb NOT NULL DEFAULT '{}',
    joined_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE shop.customers IS 'People who bought something, or will';

CREATE TABLE shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY,
    customer_id bigint NOT NULL REFERENCES shop.customers,
    state shop.state NOT NULL DEFAULT 'open',
    total shop.price NOT NULL,
    ordered_on date NOT NULL,
    PRIMARY KEY (id, ordered_on)
) PARTITION BY RANGE (ordered_on);
CREATE TABLE shop.orders_2023 PARTITION OF shop.orders FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE shop.orders_2024 PARTITION OF shop.orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE shop.orders_other PARTITION OF shop.orders DEFAULT;
CREATE INDEX orders_customer_idx ON shop.orders (customer_id) INCLUDE (total);
CREATE INDEX orders_unpaid_idx ON shop.orders (ordered_on) WHERE state = 'open';

CREATE FUNCTION shop.note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.profile := NEW.profile || jsonb_build_object('changed', NEW.mail);
    RETURN NEW;
END
$$;

INSERT INTO shop.customers (name, mail)
SELECT 'Customer ' || n, 'customer' || n || '@example.org' FROM generate_series(1, 2000) AS n;
INSERT INTO shop.orders (customer_id, state, total, ordered_on)
SELECT 1 + n % 2000, (ARRAY['open', 'paid', 'sent'])[1 + n % 3]::shop.state, n % 500 + 0.99, date '2023-06-01' + n % 700
FROM generate_series(1, 20000) AS n;

CREATE TRIGGER customers_change BEFORE UPDATE ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.note_change();
CREATE VIEW shop.revenue AS SELECT ordered_on, sum(total) AS total FROM shop.orders GROUP BY ordered_on;
CREATE MATERIALIZED VIEW shop.best_customers AS
    SELECT customer_id, sum(total) AS total FROM shop.orders GROUP BY customer_id ORDER BY total DESC LIMIT 100;
CREATE UNIQUE INDEX best_customers_idx ON shop.best_customers (customer_id);
ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY see_yourself ON shop.customers FOR SELECT USING (mail = current_user);
