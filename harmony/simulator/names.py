"""The tables the world is made from: people, groups, models and apps, all invented."""

from __future__ import annotations

from typing import NamedTuple

FIRST = (
    "ada",
    "ben",
    "chen",
    "dina",
    "eli",
    "fatou",
    "goran",
    "hana",
    "ivan",
    "jo",
    "kim",
    "lars",
    "mina",
    "noor",
    "olga",
    "priya",
    "quinn",
    "rosa",
    "sven",
    "tariq",
    "uma",
    "vera",
    "wim",
    "xenia",
    "yara",
    "zoe",
    "aiko",
    "bram",
    "carla",
    "dev",
    "elif",
    "finn",
)
LAST = (
    "abara",
    "berg",
    "costa",
    "dubois",
    "evans",
    "fischer",
    "garcia",
    "haddad",
    "ito",
    "jansen",
    "kaya",
    "lopez",
    "meyer",
    "novak",
    "okafor",
    "petrov",
    "quist",
    "rossi",
    "singh",
    "tanaka",
    "ueda",
    "vargas",
    "weber",
    "xu",
    "yilmaz",
    "zapata",
    "ahmed",
    "brandt",
    "conti",
    "diaz",
    "eriksen",
    "ferrari",
)

# What a hostile world calls these groups, tags, smart groups and apps instead.
HOSTILE = {
    "Labs": "Labs <b>R&D</b>",
    "Lost and Found": "Lost & <i>Found</i>",
    "Scanners": "Scanners 'R' <us>",
    "Photo Editor": "<img src=x onerror=alert(1)>",
    "Spreadsheets": "=HYPERLINK(1)",
}


def spelled(name: str, quirks: bool) -> str:
    """Return the name as it is in a world with or without quirks."""
    return HOSTILE.get(name, name) if quirks else name


TOP_GROUP = "Acme Logistics"
BRANCHES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Sales", ("Sales North", "Sales South", "Field Sales")),
    ("Warehouses", ("Rotterdam", "Hamburg", "Shared Scanners")),
    ("Head Office", ("Finance", "Human Resources")),
    ("Drivers", ("Drivers Day", "Drivers Night")),
    ("Labs", ("Prototypes",)),
    ("Dormant", ("Dormant Annex",)),
)
EMPTY_GROUPS = ("Dormant", "Dormant Annex")


class Platform(NamedTuple):
    """A platform with its id (facts 5.2), the length of its UDIDs, and the models that run it."""

    id: int
    name: str
    udid_length: int
    models: tuple[str, ...]
    systems: tuple[str, ...]


APPLE = Platform(
    *(2, "Apple", 40),
    models=("iPhone 15 (128 GB Black)", "iPhone 13 mini", "iPad Air (5th gen)"),
    systems=("17.6.1", "18.1.0"),
)
ANDROID = Platform(
    *(5, "Android", 42),
    models=("samsung SM-A505FN", "Google Pixel 8", "Zebra TC52"),
    systems=("10.0.0", "13.0.0", "14.0.0"),
)
MAC = Platform(
    *(10, "AppleOsX", 40),
    models=("MacBook Pro (14-inch)", "MacBook Air (M2)"),
    systems=("14.6.1", "15.1.0"),
)
WINDOWS = Platform(
    *(12, "WinRT", 32),
    models=("Latitude 7440", "Surface Pro 9", "ThinkPad X1"),
    systems=("10.0.19045", "10.0.22631"),
)
PLATFORMS = (APPLE, APPLE, APPLE, APPLE, ANDROID, ANDROID, ANDROID, ANDROID, ANDROID, ANDROID)
PLATFORMS_BY_BYTE = (PLATFORMS * 21 + (MAC,) * 20 + (WINDOWS,) * 26)[:256]
OWNERSHIP_BY_BYTE = ("C",) * 120 + ("E",) * 90 + ("S",) * 30 + ("Undefined",) * 16

CARRIERS = ("Vodafone", "T-Mobile", "Orange", "Telia")
ZONES = ("Europe/Amsterdam", "Europe/Berlin", "Europe/Madrid", "America/New_York")

# The first so many are on nearly every device, the others here and there.
USUAL_APPS = 5
APPS = (
    ("Maps", "com.example.maps"),
    ("Mail", "com.example.mail"),
    ("Calendar", "com.example.calendar"),
    ("Harmony Mobile Protect", "com.example.protect"),
    ("Intelligent Hub", "com.example.hub"),
    ("Route Planner", "com.example.routes"),
    ("Time Sheets", "com.example.timesheets"),
    ("Scanner Pro", "com.example.scanner"),
    ("Chat", "com.example.chat"),
    ("Flashlight Deluxe", "com.example.flashlight"),
    ("Crypto Wallet+", "com.example.wallet"),
    ("Weather", "com.example.weather"),
    ("Browser", "com.example.browser"),
    ("Notes", "com.example.notes"),
    ("Expense Buddy", "com.example.expenses"),
    ("Video Call", "com.example.video"),
    ("Photo Editor", "com.example.photos"),
    ("Spreadsheets", "com.example.spreadsheets"),
    ("Pocket VPN", "com.example.vpn"),
    ("Solitaire", "com.example.solitaire"),
)
