"""Both protocols once more, in plain loops, from the description of the originals; imports nothing of refnet."""

import math


def unit(rows):
    """Rows of length 1."""
    result = []
    for row in rows:
        length = math.sqrt(sum(value * value for value in row))
        result.append([value / length for value in row])
    return result


def insightface(first, second, same, folds=10):
    """(accuracy, std, thresholds): squared distance, the first best of 400 thresholds on the other folds."""
    distances = [sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for x, y in zip(first, second, strict=True)]
    thresholds = [step * 0.01 for step in range(400)]
    count, start, accuracies, chosen = len(same), 0, [], []
    for fold in range(folds):
        size = count // folds + (1 if fold < count % folds else 0)
        test = range(start, start + size)
        train = [n for n in range(count) if n not in test]
        best, best_right = 0.0, -1
        for threshold in thresholds:
            right = sum((distances[n] < threshold) == same[n] for n in train)
            if right > best_right:
                best, best_right = threshold, right
        accuracies.append(sum((distances[n] < best) == same[n] for n in test) / size)
        chosen.append(best)
        start += size
    mean = sum(accuracies) / folds
    return mean, math.sqrt(sum((a - mean) ** 2 for a in accuracies) / folds), chosen


def omz(first, second, same, subsets=10):
    """Accuracy: half cosine distance of embeddings over sqrt(sum + 1e-6), below the median of the other subsets."""

    def grn(row):
        return [value / math.sqrt(sum(v * v for v in row) + 1e-6) for value in row]

    distances = [
        0.5 * (1 - sum(a * b for a, b in zip(grn(x), grn(y), strict=True))) for x, y in zip(first, second, strict=True)
    ]
    count, accuracies = len(same), []
    for k in range(subsets):
        test = list(range(k * count // subsets, (k + 1) * count // subsets))
        train = sorted(distances[n] for n in range(count) if n not in test)
        middle = len(train) // 2
        median = train[middle] if len(train) % 2 else (train[middle - 1] + train[middle]) / 2
        accuracies.append(sum((distances[n] < median) == same[n] for n in test) / len(test))
    return sum(accuracies) / subsets


def val_at_far(distances, same, far_target=1e-3, folds=10):
    """(VAL, FAR), means over folds: the first of 4000 thresholds whose rate on the other folds reaches the target."""
    count, start, vals, fars = len(same), 0, [], []
    thresholds = [step * 0.001 for step in range(4000)]
    for fold in range(folds):
        size = count // folds + (1 if fold < count % folds else 0)
        test = range(start, start + size)
        impostors = [distances[n] for n in range(count) if n not in test and not same[n]]
        threshold, before = 0.0, (0.0, 0.0)
        for candidate in thresholds:
            far = sum(d < candidate for d in impostors) / len(impostors)
            if far >= far_target:
                share = (far_target - before[1]) / (far - before[1]) if far > before[1] else 0
                threshold = before[0] + share * (candidate - before[0])
                break
            before = candidate, far
        genuine = [distances[n] for n in test if same[n]]
        others = [distances[n] for n in test if not same[n]]
        vals.append(sum(d < threshold for d in genuine) / len(genuine))
        fars.append(sum(d < threshold for d in others) / len(others))
        start += size
    return sum(vals) / folds, sum(fars) / folds
