-- What a database that takes the place of the one with oid $1 takes over from it, as one word: owner, connection limit,
-- whether it takes connections, privileges, settings.
SELECT ROW(d.datdba, d.datconnlimit, d.datallowconn, d.datacl,
           ARRAY(SELECT ROW(s.setrole, s.setconfig)::pg_catalog.text
                   FROM pg_catalog.pg_db_role_setting AS s
                  WHERE s.setdatabase = d.oid
                  ORDER BY s.setrole))::pg_catalog.text AS standing
  FROM pg_catalog.pg_database AS d
 WHERE d.oid = $1
