-- The oldest open letter of a key after the letter that was tried last. When a letter is selected by its id, the
-- letters for which it waits come first. A PARKED letter waits for no letter, and no letter waits for it.
SELECT * FROM dead_letters
WHERE topic = :topic AND key = :key AND state IN ('HELD', 'WAITING', 'PARKED') AND id > :after
  AND (CAST(:id AS bigint) IS NULL OR id = :id
       OR (id < :id AND state <> 'PARKED'
           AND EXISTS (SELECT FROM dead_letters asked WHERE asked.id = :id AND asked.state <> 'PARKED')))
ORDER BY id LIMIT 1
