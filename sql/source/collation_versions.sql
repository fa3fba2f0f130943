-- What this server's libraries say of collations of other servers, for source and destination alike: $1 providers, $2 locales,
-- $3 names for those of pg_catalog, which are not made by a clone, NULL for others, $4 the encoding.
-- No function takes a locale, so a collation with the same locale is asked, or else one of the same language, or any (libc has one
-- version for all of them), or at last what a database was made with; `exact` is the first. C and POSIX have no version.
WITH wanted AS (
    SELECT a.at, a.provider, a.locale, a.name,
           pg_catalog.lower(pg_catalog.split_part(pg_catalog.replace(a.locale, '_', '-'), '-', 1)) AS language,
           a.provider = 'c' AND a.locale ~* '^(c|posix)(\.|$)' AS bytewise
      FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
                      pg_catalog.unnest($3::pg_catalog.text[]))
           WITH ORDINALITY AS a(provider, locale, name, at)),
candidates AS (
    SELECT c.oid, c.collprovider::pg_catalog.text AS provider, l.locale,
           pg_catalog.lower(pg_catalog.split_part(pg_catalog.replace(l.locale, '_', '-'), '-', 1)) AS language
      FROM pg_catalog.pg_collation AS c
     CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(c) AS row) AS j
     CROSS JOIN LATERAL (SELECT COALESCE(j.row ->> 'colllocale', j.row ->> 'colliculocale', j.row ->> 'collcollate') AS locale) AS l
     WHERE c.collprovider IN ('c', 'i', 'b')
       AND NOT (c.collprovider = 'c' AND l.locale ~* '^(c|posix)(\.|$)')),
databases AS (
    SELECT d.oid, j.row ->> 'datlocprovider' AS provider, l.locale, j.row ->> 'datcollversion' AS version,
           pg_catalog.lower(pg_catalog.split_part(pg_catalog.replace(l.locale, '_', '-'), '-', 1)) AS language
      FROM pg_catalog.pg_database AS d
     CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(d) AS row) AS j
     CROSS JOIN LATERAL (SELECT COALESCE(j.row ->> 'datlocale', j.row ->> 'daticulocale', j.row ->> 'datcollate') AS locale) AS l
     WHERE NOT (j.row ->> 'datlocprovider' = 'c' AND l.locale ~* '^(c|posix)(\.|$)'))
SELECT w.at,
       COALESCE(c.version, d.version) AS version,
       w.bytewise,
       w.bytewise OR COALESCE(c.exact, FALSE) AS exact,
       n.provider AS named_provider
  FROM wanted AS w
  LEFT JOIN LATERAL (
       SELECT pg_catalog.pg_collation_actual_version(c.oid) AS version, c.locale = w.locale AS exact
         FROM candidates AS c
        WHERE c.provider = w.provider
        ORDER BY c.locale = w.locale DESC, c.language = w.language DESC, c.language = 'und' DESC, c.oid
        LIMIT 1) AS c ON NOT w.bytewise
  LEFT JOIN LATERAL (
       SELECT d.version
         FROM databases AS d
        WHERE d.provider = w.provider
        ORDER BY d.locale = w.locale DESC, d.language = w.language DESC, d.oid
        LIMIT 1) AS d ON NOT w.bytewise
  LEFT JOIN LATERAL (
       SELECT c.collprovider::pg_catalog.text AS provider
         FROM pg_catalog.pg_collation AS c
        WHERE c.collnamespace OPERATOR(pg_catalog.=) 11 AND c.collname = w.name
          AND c.collencoding IN (-1, pg_catalog.pg_char_to_encoding($4))
        ORDER BY c.collencoding DESC
        LIMIT 1) AS n ON TRUE
 ORDER BY w.at
