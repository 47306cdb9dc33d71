"""Currencies: signs and ISO 4217 codes of the whole world, with the names that CLDR has for them."""

import re
from functools import lru_cache

from babel import Locale
from babel.numbers import get_currency_name, get_currency_precision

from src.services.text.language import Language, Noun, table, words
from src.services.text.scripts import transliterate

SIGNS = table(
    """
    US$: USD; U$S: USD; u$s: USD; USD$: USD; €: EUR; £: GBP; ¥: JPY; CN¥: CNY; RMB: CNY; ₹: INR
    Rs: INR; Rs.: INR; rs: INR
    ₩: KRW; ₽: RUB; ₺: TRY; ₴: UAH; ₪: ILS; ฿: THB; ₫: VND; ₱: PHP; ₦: NGN; ₡: CRC; ₲: PYG; ₵: GHS
    ₸: KZT
    ₼: AZN; ₾: GEL; ₮: MNT; ₭: LAK; ₿: BTC; BTC: BTC; ¢: USD; S/: PEN; S/.: PEN; R$: BRL; r$: BRL; MX$: MXN; Mex$: MXN
    mex$: MXN; AR$: ARS; CLP$: CLP; CL$: CLP
    COL$: COP; CO$: COP; COP$: COP; $U: UYU; UY$: UYU; RD$: DOP; CA$: CAD; CAN$: CAD; CDN$: CAD
    A$: AUD; AU$: AUD; NZ$: NZD
    HK$: HKD; S$: SGD; SG$: SGD; NT$: TWD; TW$: TWD; J$: JMD; TT$: TTD; BZ$: BZD; Bds$: BBD; B$: BSD
    zł: PLN; zl: PLN; RM: MYR
    """
)
"""Signs that mean the same in every language; `$` alone is the region's."""

_QUALIFIED = words(
    "C$ CA$ CAN$ CDN$ A$ AU$ NZ$ HK$ S$ SG$ NT$ TW$ J$ TT$ BZ$ Bds$ B$ MX$ Mex$ mex$ AR$ CLP$ CL$ COL$ CO$ COP$ $U UY$ RD$"
)
"""Signs that name their country, so the country is said."""

_COMMON = words(
    """
    usd eur gbp mxn ars clp uyu crc gtq hnl nio pab pyg bob dop brl cad aud chf jpy cny hkd ttd awg inr krw ves btc
    zar nzd sgd
    """
)
"""Codes that are read in small letters, too, and where they touch the number."""

_IN_FRONT = words("COP PEN CZK PLN HUF SEK NOK DKK RUB UAH ILS SAR AED THB VND IDR MYR TWD EGP NGN KES")
"""Further codes that are read in front of a number; others (`PHP 7`, `TOP 10`) only behind one."""


@lru_cache(maxsize=64)
def signs(language: Language) -> dict[str, str]:
    """Every sign and code that may stand beside an amount, to its ISO code."""
    codes = {code: code for code in map(str, Locale(language.code).currencies)}
    small = {code: code.upper() for code in _COMMON}
    return {**codes, **small, "$": language.dollar, **SIGNS, **language.currency_signs}


@lru_cache(maxsize=64)
def before(language: Language) -> frozenset[str]:
    """Those that may stand in front of an amount."""
    return touching(language) | _IN_FRONT


@lru_cache(maxsize=64)
def touching(language: Language) -> frozenset[str]:
    """Those that may touch the number."""
    every = signs(language)
    common = {code.upper() for code in _COMMON} | _COMMON
    return frozenset(sign for sign in every if sign in common or not re.fullmatch("[A-Z]{3}", sign))


@lru_cache(maxsize=1024)
def noun(sign: str, language: Language) -> Noun:
    """`€`: euro, euros; `HK$`: Hong Kong dollar; a bare sign does not name its country."""
    code = signs(language)[sign]
    own = language.currency_names
    if sign in own or (sign.upper() == code and code in own):
        return own.get(sign) or own[code]
    one, many = (str(get_currency_name(code, count, language.code)) for count in (1, 2))
    one, many = (transliterate(name.replace("&", language.words["and"]), language) for name in (one, many))
    if sign.upper() != code and sign not in _QUALIFIED:  # the head of the name: `dollar`, `dólar`
        part = language.currency_head
        one, many = one.split()[part], many.split()[part]
    return Noun(one, many, language.noun_of(many.split()[0]).feminine)


def cent(sign: str, language: Language) -> Noun | None:
    """The hundredth, or None where there is none."""
    code = signs(language)[sign]
    if sign in ("¢", "₿") or code == "BTC" or get_currency_precision(code) == 0:
        return None
    return language.cent_names.get(code) or language.cent_names[""]
