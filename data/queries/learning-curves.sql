-- First, last, least and largest value of every learning curve, by training run and seed.
WITH ends AS (
  SELECT key, metric, min(step) AS first_step, max(step) AS last_step, count(*) AS points,
         min(value) AS least, max(value) AS largest
  FROM curves GROUP BY key, metric)
SELECT last.kind, last.name, last.seed, last.metric, first.value AS first, last.value AS last,
       least, largest, last_step, points, last.stage, last.status
FROM ends
JOIN curves first ON first.key = ends.key AND first.metric = ends.metric AND first.step = first_step
JOIN curves last ON last.key = ends.key AND last.metric = ends.metric AND last.step = last_step
ORDER BY last.kind, last.name, last.seed, ends.key, last.metric;
