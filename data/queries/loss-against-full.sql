-- What each policy loses against the full cache: mean NLL difference over the same samples (nats per token).
WITH pairs AS (
  SELECT t.task, t.model, t.length, t.dtype, t.seed, t.policy, t.budget, t.cluster,
         t.mean_nll - f.mean_nll AS loss
  FROM samples t
  JOIN samples f USING (task, model, length, dtype, seed, sample_hash)
  WHERE f.policy = 'full' AND t.policy <> 'full')
SELECT task, model, length, dtype, seed, policy, budget, round(avg(loss), 5) AS loss,
       round(exp(avg(loss)), 4) AS ppl_ratio, round(min(loss), 5) AS least,
       round(max(loss), 5) AS most, sum(loss > 0) AS worse, count(*) AS n,
       count(DISTINCT cluster) AS clusters
FROM pairs
GROUP BY task, model, length, dtype, seed, policy, budget
ORDER BY task, model, length, dtype, seed, policy, budget;
