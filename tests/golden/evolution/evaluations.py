# SPDX-License-Identifier: Apache-2.0
"""Makes evaluations.json: how many evaluations the package `cma` takes to a target value.

    pip install cma==4.5.0 numpy && python evaluations.py > evaluations.json
"""
import json
import statistics
import sys

import cma
import numpy as np

SEEDS = 31


def sphere(x):
    return float(np.sum(x * x))


def ellipsoid(condition):
    def value(x):
        return float(np.sum(condition ** np.linspace(0, 1, len(x)) * x * x))
    return value


def rosenbrock(x):
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def rastrigin(x):
    return float(10 * len(x) + np.sum(x * x - 10 * np.cos(2 * np.pi * x)))


FUNCTIONS = {
    "sphere": sphere,
    "ellipsoid:1e6": ellipsoid(1e6),
    "ellipsoid:10": ellipsoid(10),
    "rosenbrock": rosenbrock,
    "rastrigin": rastrigin,
}

# optimiser, function, dimension, population, start of every coordinate, first sigma, target, most
# evaluations. What adapts no correlations cannot follow Rosenbrock's valley in any time: its target
# lies at the valley's entrance.
CASES = [
    ("cma_full", "sphere", 10, 10, 1.0, 0.5, 1e-8, 20000),
    ("cma_full", "sphere", 20, 12, 1.0, 0.5, 1e-8, 20000),
    ("cma_full", "ellipsoid:1e6", 10, 10, 1.0, 0.5, 1e-8, 40000),
    ("cma_full", "ellipsoid:1e6", 20, 12, 1.0, 0.5, 1e-8, 80000),
    ("cma_full", "rosenbrock", 8, 10, 0.0, 0.2, 1e-8, 40000),
    ("cma_full", "rastrigin", 6, 150, 1.0, 3.0, 1e-8, 30000),
    ("cma_diag", "sphere", 10, 10, 1.0, 0.5, 1e-8, 20000),
    ("cma_diag", "sphere", 20, 32, 1.0, 0.5, 1e-8, 20000),
    ("cma_diag", "ellipsoid:1e6", 10, 10, 1.0, 0.5, 1e-8, 40000),
    ("cma_diag", "ellipsoid:1e6", 20, 12, 1.0, 0.5, 1e-8, 80000),
    ("cma_diag", "rosenbrock", 8, 10, 0.0, 0.2, 1e-1, 40000),
    ("cma_diag", "rastrigin", 6, 150, 1.0, 3.0, 1e-8, 30000),
    ("es_csa", "sphere", 10, 10, 1.0, 0.5, 1e-8, 20000),
    ("es_csa", "sphere", 20, 32, 1.0, 0.5, 1e-8, 40000),
    ("es_csa", "ellipsoid:10", 10, 10, 1.0, 0.5, 1e-8, 40000),
    ("es_csa", "rosenbrock", 8, 10, 0.0, 0.2, 1.0, 40000),
    ("es_csa", "rastrigin", 6, 150, 1.0, 3.0, 1e-8, 90000),
]

OPTIONS = {
    "cma_full": {},
    "cma_diag": {"CMA_diagonal": True},
    "es_csa": {"CMA_on": 0},  # no update of the covariance at all
}


def run(case, seed):
    optimiser, function, dimension, population, start, sigma, target, most = case
    es = cma.CMAEvolutionStrategy(
        [start] * dimension, sigma,
        {"seed": seed, "popsize": population, "verbose": -9, "verb_log": 0, "ftarget": target,
         "maxfevals": most, "tolfun": 0, "tolfunhist": 0, "tolfunrel": 0, "tolx": 0,
         "tolstagnation": 10**9, "tolflatfitness": 10**9, "tolconditioncov": 1e30,
         "tolfacupx": 1e9, "tolupsigma": 1e30, **OPTIONS[optimiser]})
    # The package has step-size rates of its own; these are the tutorial's (arXiv 1604.00772).
    mueff = es.sp.weights.mueff
    cs = (mueff + 2) / (dimension + mueff + 5)
    es.adapt_sigma.cs = cs
    es.adapt_sigma.damps = 1 + 2 * max(0, ((mueff - 1) / (dimension + 1)) ** 0.5 - 1) + cs
    value = FUNCTIONS[function]
    while not es.stop():
        points = es.ask()
        es.tell(points, [value(np.asarray(x)) for x in points])
    return es.result.evaluations if es.result.fbest <= target else None


def main():
    cases = []
    for case in CASES:
        taken = [run(case, seed) for seed in range(1, SEEDS + 1)]
        solved = sorted(t for t in taken if t is not None)
        print(case, len(solved), statistics.median(solved) if solved else None, file=sys.stderr)
        cases.append({
            "optimiser": case[0], "function": case[1], "dimension": case[2], "population": case[3],
            "start": case[4], "sigma": case[5], "target": case[6],
            "most": case[7], "solved": len(solved),
            "median": statistics.median(solved) if solved else None})
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    print('{"made_by": "cma %s", "seeds": %d, "cases": [\n%s\n]}'
          % (cma.__version__, SEEDS, lines))


if __name__ == "__main__":
    main()
