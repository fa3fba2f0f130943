-- The entries of the publication $1 in the catalog, each with a number of its own, from 15 on: of tables, with the rows (a
-- condition) and the columns that they give where that is not all of them; and of schemas.
WITH RECURSIVE publication AS MATERIALIZED (
    SELECT p.oid, p.puballtables, p.pubviaroot, pg_catalog.to_jsonb(p) ->> 'pubgencols' AS generated
      FROM pg_catalog.pg_publication AS p
     WHERE p.pubname = $1
), of_table AS MATERIALIZED (
    SELECT r.oid, r.prrelid AS table_oid, pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS rows, r.prattrs::pg_catalog.int2[] AS columns
      FROM publication AS p
      JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = p.oid
), of_schema AS MATERIALIZED (
    SELECT s.oid, s.pnnspid AS schema_oid
      FROM publication AS p
      JOIN pg_catalog.pg_publication_namespace AS s ON s.pnpubid = p.oid
),
