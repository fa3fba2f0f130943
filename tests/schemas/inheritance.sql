-- Inheritance: single, multiple, chained; what children say differently. Column orders that CREATE .. INHERITS would
-- not give have a fixture of their own (inheritance_order.sql).
CREATE TABLE base (id integer NOT NULL, name text DEFAULT 'base', CONSTRAINT base_positive CHECK (id > 0),
    CONSTRAINT base_only CHECK (id < 100000) NO INHERIT);
CREATE TABLE other_base (id integer, extra text);
CREATE TABLE child (own integer DEFAULT 1) INHERITS (base);
CREATE TABLE grandchild (deep text, CONSTRAINT grandchild_own CHECK (deep <> '')) INHERITS (child);
CREATE TABLE both_parents (own integer) INHERITS (base, other_base);
CREATE TABLE other_default () INHERITS (base);
ALTER TABLE other_default ALTER name SET DEFAULT 'child';
CREATE TABLE no_default () INHERITS (base);
ALTER TABLE no_default ALTER name DROP DEFAULT;
CREATE TABLE merged (name text NOT NULL DEFAULT 'merged', CONSTRAINT base_positive CHECK (id > 0)) INHERITS (base);
CREATE TABLE stricter () INHERITS (other_base);
ALTER TABLE stricter ALTER extra SET NOT NULL, ALTER extra SET STATISTICS 10, ALTER extra SET STORAGE EXTERNAL;
CREATE TABLE keyed (PRIMARY KEY (id)) INHERITS (base);
CREATE TABLE generated_parent (a integer, b integer GENERATED ALWAYS AS (a + 1) STORED);
CREATE TABLE generated_child (c integer) INHERITS (generated_parent);
CREATE TABLE generated_again (a integer, b integer GENERATED ALWAYS AS (a + 1) STORED);
ALTER TABLE generated_again INHERIT generated_parent;
CREATE TABLE generated_redeclared (b integer, c integer) INHERITS (generated_parent);
ALTER TABLE base ADD CONSTRAINT late CHECK (name <> 'late') NOT VALID;
COMMENT ON CONSTRAINT base_positive ON base IS 'on the parent''s';
-- The child was made by itself, without a default that its parent has.
CREATE TABLE defaulted (a integer DEFAULT 1, b integer DEFAULT 4, c text DEFAULT 'c');
CREATE TABLE came_later (a integer, b integer, c text DEFAULT 'own', d text);
ALTER TABLE came_later INHERIT defaulted;
CREATE TABLE came_below (a integer, b integer, c text, d text);
ALTER TABLE came_below INHERIT came_later;
-- Two parents that disagree, and children that say something else than either, or came to the second later.
CREATE TABLE ten (n integer DEFAULT 10, t text);
CREATE TABLE twenty (n integer DEFAULT 20, t text);
CREATE TABLE thirty (n integer DEFAULT 30) INHERITS (ten, twenty);
CREATE FUNCTION forty() RETURNS integer LANGUAGE sql AS 'SELECT count(*)::integer FROM public.ten';
CREATE TABLE none_of_both (n integer DEFAULT forty()) INHERITS (ten, twenty);
CREATE TABLE undecided (n integer DEFAULT 30) INHERITS (ten, twenty);
ALTER TABLE undecided ALTER n DROP DEFAULT;
-- The child says again what its parent says: a key of its own over a column that both define.
CREATE TABLE numbered (id bigserial PRIMARY KEY, code text NOT NULL);
CREATE TABLE numbered_again (id bigint PRIMARY KEY DEFAULT nextval('numbered_id_seq'), code text NOT NULL, more text)
    INHERITS (numbered);
