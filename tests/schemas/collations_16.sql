-- Collations with rules of their own.
CREATE COLLATION with_rules (provider = icu, locale = 'und', rules = '&a < g');
CREATE TABLE ruled (t text COLLATE with_rules);
