"""Readable names: incident-brave-otter-2026-11. Short words, easy to say over the phone, none that could hurt."""

import hashlib
import re
import secrets
from collections.abc import Iterator
from datetime import datetime

ADJECTIVES = """
able agile alert amber ample azure bold brave breezy brief bright brisk bronze busy calm candid careful cheery
chief civil clear clever coastal cosmic cozy crisp curious daring dapper deep eager early earnest easy elder
elegant even fabled fair famous fancy fast fearless festive fine firm fleet fluent fond frank free fresh friendly
gallant gentle giant gifted glad golden graceful grand great green handy happy hardy hasty hearty helpful hidden
honest humble ideal indigo jolly jovial joyful keen kind large lasting late lively logical loud loyal lucid lucky
lunar magic mellow merry mighty mild misty modern modest narrow neat nimble noble northern novel olive open orange
patient placid plain pleasant polar polite prime prompt proper proud quick quiet rapid ready regal rested rising
robust rosy round royal rugged rustic sage serene sharp shiny silent silver simple sincere sleepy slow smart smooth
snowy soft solar solid southern speedy spry stable starry steady stellar still stout strong sturdy subtle sunny
superb sure swift tall tame tender thrifty tidy tiny tranquil trim true trusty upbeat urban useful valiant vast
velvet vivid warm watchful western wide willing windy winged wise witty wooden young zesty
""".split()

NOUNS = """
acorn albatross alder alpaca anchor antelope apple arrow ash aspen badger bagpipe bamboo banjo basil beacon bear
bell birch bison bobcat bongo bridge brook buffalo butterfly cactus camel canary canoe canyon caribou castle cedar
cello cheetah cherry chipmunk cicada clover comet compass condor copper coral cougar coyote crane cricket cuckoo
curlew cypress daisy deer delta dolphin donkey dove dragonfly drum eagle eider elk elm emerald falcon feather fern
ferret finch firefly fjord flamingo flute fox gannet garnet gazelle gecko geyser gibbon giraffe glacier goldfinch
goose grouse guitar gull hamster harbour hare harp hawk hazel hedgehog heron hickory hornbill ibex ibis iguana
island ivy jackdaw jaguar jasmine jay kestrel kingfisher kite kiwi koala lagoon lantern lark laurel lemon lemur
leopard lighthouse lily lion lizard llama lobster lotus lynx macaw magnet magnolia magpie mallard manatee mango
maple marlin marmot martin meadow meerkat meteor mongoose moose moth mountain narwhal nettle newt nightingale
nutmeg oak oasis ocelot octopus olive opal orca orchid oriole osprey ostrich otter owl oyster panda pangolin
panther parrot partridge peach pebble pelican penguin pepper petrel pheasant piano pigeon pine planet plover plum
pony poplar poppy porcupine porpoise prairie puffin puma python quail quartz quokka rabbit raccoon raven redwood
reef reindeer river robin rook rooster rose ruby saffron salmon sandpiper sapphire seal sequoia sparrow spruce
squirrel starfish starling stork sunflower swallow swan swift tapir teal tern thistle thrush thyme tiger tortoise
toucan trout tulip tuna turtle valley violet viper vole vulture wallaby walnut walrus warbler weasel whale willow
wolf wombat woodpecker wren yak yarrow zebra
""".split()


LONG = 4  # adjectives in a name that nobody could look up


def draw_name(now: datetime, *, extra_words: int = 0, kind: str = "incident") -> str:
    """A random name for an incident, or a drill, begun at `now` (aware, in the hub's time zone).

    Chances of meeting a name that exists are small, and the one who inserts it draws again; `extra_words` makes them
    smaller still. The longest has far fewer than the 80 characters that Slack allows a channel.
    """
    words = [secrets.choice(ADJECTIVES) for _ in range(1 + extra_words)]
    return f"{kind}-{'-'.join(dict.fromkeys(words))}-{secrets.choice(NOUNS)}-{now:%Y-%m}"


def long_name(now: datetime, *, of: str) -> str:
    """The name that follows from `of` for an incident reported at `now`, when no database can say which are taken.

    Whoever derives it from the same gets the same; from others, as good as never. It has more words than draw_name()
    ever draws, so the two do not meet.
    """
    numbers, left = _numbers(of), list(ADJECTIVES)
    words = [left.pop(next(numbers) % len(left)) for _ in range(LONG)]
    return f"incident-{'-'.join(words)}-{NOUNS[next(numbers) % len(NOUNS)]}-{now:%Y-%m}"


def is_name(text: str) -> bool:
    """Whether it is a name as they are drawn here, be it of a drill."""
    return re.fullmatch(r"(incident|drill)-[a-z-]+-\d{4}-\d{2}", text) is not None


def _numbers(text: str) -> Iterator[int]:
    digest = hashlib.sha256(text.encode()).digest()
    return (int.from_bytes(digest[place : place + 4]) for place in range(0, len(digest), 4))
