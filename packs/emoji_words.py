"""Words for the emoji whose pictures the probes show: things that a child would name at once, one picture a word.

The name in the pack -> the noun, in groups of things that can stand for each other in a sentence. Left out are faces, symbols,
things seen mostly in the plural, words that are not counted (broccoli), a tie that is drawn with its shirt, and pairs that are
hard to tell apart in 64 pixels (alligator and lizard, squid and octopus).
"""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "animal": {
        name: name
        for name in (
            "owl", "duck", "penguin", "eagle", "peacock", "flamingo", "parrot", "rooster", "turkey", "snail", "butterfly",
            "ant", "spider", "scorpion", "dog", "cat", "monkey", "gorilla", "horse", "deer", "pig", "goat", "llama",
            "elephant", "rhinoceros", "hippopotamus", "mouse", "rabbit", "hedgehog", "bat", "sloth", "skunk", "kangaroo",
            "crocodile", "turtle", "snake", "dolphin", "octopus", "shark", "crab", "lobster", "jellyfish", "tiger", "leopard",
            "cow",
        )
    } | {"bactrian camel": "camel"},
    "food": {
        name: name
        for name in (
            "banana", "pineapple", "lemon", "watermelon", "strawberry", "tomato", "coconut", "peach", "carrot",
            "onion", "avocado", "cucumber", "croissant", "pretzel", "hamburger", "sandwich", "taco", "hot dog", "doughnut",
            "cookie", "cupcake", "lollipop", "mushroom", "pear", "mango",
        )
    },
    "object": {
        name: name
        for name in (
            "hammer", "axe", "screwdriver", "wrench", "ladder", "broom", "bucket", "toothbrush", "magnet", "hook", "anchor",
            "basket", "teapot", "spoon", "candle", "umbrella", "key", "bell", "paintbrush", "crayon", "microscope",
            "telescope", "camera", "television", "guitar", "violin", "trumpet", "accordion", "saxophone", "banjo",
        )
    } | {"long drum": "drum", "lock": "padlock"},
    "vehicle": {
        name: name
        for name in (
            "airplane", "helicopter", "rocket", "bus", "ambulance", "taxi", "tractor", "motorcycle", "bicycle", "skateboard",
            "sailboat", "canoe", "fire engine", "tram", "sled",
        )
    },
    "wear": {"crown": "crown", "top hat": "top hat", "scarf": "scarf", "dress": "dress",
             "boxing glove": "boxing glove", "ice skate": "ice skate", "t-shirt": "shirt", "high-heeled shoe": "shoe"},
    "room": {"chair": "chair", "bed": "bed", "door": "door", "window": "window", "bathtub": "bathtub", "toilet": "toilet",
             "tent": "tent", "balloon": "balloon", "kite": "kite", "trophy": "trophy", "teddy bear": "teddy bear"},
}  # fmt: skip
ALIKE = (  # one is the other in other words, or looks like it in 64 pixels: never on one page, nor in each other's place
    {"hamburger", "sandwich", "hot dog"}, {"monkey", "gorilla"}, {"tiger", "leopard"}, {"crab", "lobster", "scorpion"},
    {"llama", "goat", "camel"}, {"mouse", "hedgehog"}, {"guitar", "banjo", "violin"}, {"trumpet", "saxophone"},
    {"peach", "mango", "tomato"}, {"crayon", "paintbrush"}, {"bus", "tram", "ambulance", "fire engine"}, {"axe", "hammer"},
)  # fmt: skip
