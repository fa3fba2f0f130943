-- The entries of the publication $1 in the catalog, each with a number of its own, on 14: of tables as wholes.
WITH RECURSIVE publication AS MATERIALIZED (
    SELECT p.oid, p.puballtables, p.pubviaroot, NULL::pg_catalog.text AS generated
      FROM pg_catalog.pg_publication AS p
     WHERE p.pubname = $1
), of_table AS MATERIALIZED (
    SELECT r.oid, r.prrelid AS table_oid, NULL::pg_catalog.text AS rows, NULL::pg_catalog.int2[] AS columns
      FROM publication AS p
      JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = p.oid
), of_schema AS MATERIALIZED (
    SELECT NULL::pg_catalog.oid AS oid, NULL::pg_catalog.oid AS schema_oid WHERE false
),
