-- What needs what, between objects made after initdb. TOAST tables and what hangs on them only are left out.
SELECT d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, d.deptype
  FROM pg_catalog.pg_depend AS d
 WHERE d.objid OPERATOR(pg_catalog.>=) 16384
   AND (d.refobjid OPERATOR(pg_catalog.>=) 16384
        OR d.refclassid OPERATOR(pg_catalog.=) 2615)
   AND NOT (d.refclassid OPERATOR(pg_catalog.=) 2615 AND d.refobjid OPERATOR(pg_catalog.=) 99)
   AND d.deptype OPERATOR(pg_catalog.<>) 'p'
