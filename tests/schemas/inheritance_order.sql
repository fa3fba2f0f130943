-- A child whose columns stand in another order than CREATE .. INHERITS would give them.
CREATE TABLE base (a integer, b text);
CREATE TABLE child (own integer) INHERITS (base);
ALTER TABLE base ADD COLUMN late integer DEFAULT 3, ADD CONSTRAINT a_positive CHECK (a > 0);
CREATE TABLE attached (b text, x integer, a integer, late integer, CONSTRAINT a_positive CHECK (a > 0));
ALTER TABLE attached INHERIT base;
