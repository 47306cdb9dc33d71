"""Fifty sentences of each language, of the kinds that people send, with the words that are to be spoken.

`said` is written by hand; spelled-out words are single letters (`f b i`). `normalise` brings a transcript
(`$3.50`, `FBI`) to the same form, so that a word error rate counts words and not spelling.
"""

import re
import unicodedata
from dataclasses import dataclass

from src.errors import InvalidInput
from src.services.text import to_speech
from src.services.text.tables import LANGUAGES


@dataclass(frozen=True, slots=True)
class Sentence:
    kind: str
    text: str
    said: str


def normalise(text: str, language: str) -> str:
    """Words as they are said: lower case, no punctuation, no accents (ñ stays), letter names as letters."""
    text = re.sub(r"\bat (\d\d)(\d\d)\b", r"at \1:\2", text)  # Whisper writes `fourteen thirty` so
    try:
        spoken = " ".join(piece.text for piece in to_speech(text, language))
    except InvalidInput:
        return ""
    return plain(spoken, language)


def plain(spoken: str, language: str) -> str:
    """The last step of `normalise`, for text that is in words already."""
    spoken = spoken.lower().replace("'", "").replace("ñ", "\0")
    spoken = "".join(c for c in unicodedata.normalize("NFD", spoken) if not unicodedata.combining(c))
    words = " ".join(re.findall("[a-z\0]+", spoken)).replace("\0", "ñ")
    if language == "en":  # `bee` and `b` sound alike; names in other languages are said as they are written
        words = words.replace("double you", "w")
        letters = {name: letter for letter, name in LANGUAGES[language].letters.items()}
        words = " ".join(letters.get(word, word) for word in words.split())
    return words


ENGLISH = [
    Sentence(
        "plain", "The quick brown fox jumps over the lazy dog.", "the quick brown fox jumps over the lazy dog"
    ),
    Sentence("integer", "There are 365 days in a year.", "there are three hundred sixty five days in a year"),
    Sentence(
        "thousands",
        "The city has 1,250,000 people.",
        "the city has one million two hundred fifty thousand people",
    ),
    Sentence(
        "decimal", "The average score was 7.25 points.", "the average score was seven point two five points"
    ),
    Sentence(
        "negative",
        "It was -5 degrees outside this morning.",
        "it was minus five degrees outside this morning",
    ),
    Sentence(
        "ordinal",
        "She finished 1st and he finished 22nd.",
        "she finished first and he finished twenty second",
    ),
    Sentence("year", "The company was founded in 1998.", "the company was founded in nineteen ninety eight"),
    Sentence(
        "year",
        "He was born in 2005 and moved here in 2019.",
        "he was born in two thousand five and moved here in twenty nineteen",
    ),
    Sentence(
        "decade", "We listened to songs from the 1980s.", "we listened to songs from the nineteen eighties"
    ),
    Sentence(
        "date",
        "The meeting is on November 22, 2026.",
        "the meeting is on november twenty second twenty twenty six",
    ),
    Sentence(
        "date",
        "Your package arrives on 2026-11-22.",
        "your package arrives on november twenty second twenty twenty six",
    ),
    Sentence(
        "date",
        "The contract ends on 12/31/2027.",
        "the contract ends on december thirty first twenty twenty seven",
    ),
    Sentence("date", "School starts on 5 September.", "school starts on the fifth of september"),
    Sentence(
        "time",
        "The train leaves at 14:30 from platform 6.",
        "the train leaves at fourteen thirty from platform six",
    ),
    Sentence(
        "time", "Please call me back at 2:30 p.m. tomorrow.", "please call me back at two thirty p m tomorrow"
    ),
    Sentence("time", "The shop opens at 9:00 every day.", "the shop opens at nine oclock every day"),
    Sentence(
        "money",
        "That coffee costs $3.50 in the airport.",
        "that coffee costs three dollars and fifty cents in the airport",
    ),
    Sentence(
        "money",
        "He sold the painting for €1,500.",
        "he sold the painting for one thousand five hundred euros",
    ),
    Sentence(
        "money", "They raised £2.5 million last year.", "they raised two point five million pounds last year"
    ),
    Sentence(
        "money",
        "The hotel charged 800 MXN per night.",
        "the hotel charged eight hundred mexican pesos per night",
    ),
    Sentence("percent", "Sales grew by 12.5% in March.", "sales grew by twelve point five percent in march"),
    Sentence("range", "Children aged 3-5 can play here.", "children aged three to five can play here"),
    Sentence(
        "fraction",
        "Add 1/2 cup of sugar and 3/4 cup of milk.",
        "add one half cup of sugar and three quarters cup of milk",
    ),
    Sentence(
        "unit", "The village is 12 km from the coast.", "the village is twelve kilometers from the coast"
    ),
    Sentence(
        "unit",
        "The car was driving at 120 km/h.",
        "the car was driving at one hundred twenty kilometers per hour",
    ),
    Sentence(
        "unit",
        "Keep the vaccine at 4 °C at all times.",
        "keep the vaccine at four degrees celsius at all times",
    ),
    Sentence("unit", "This laptop has 16GB of memory.", "this laptop has sixteen gigabytes of memory"),
    Sentence(
        "unit",
        "The apartment measures 85 m² in total.",
        "the apartment measures eighty five square meters in total",
    ),
    Sentence(
        "phone",
        "Call us at (555) 123-4567 for help.",
        "call us at five five five one two three four five six seven for help",
    ),
    Sentence("address", "Visit www.example.com for details.", "visit w w w dot example dot com for details"),
    Sentence(
        "address",
        "Read the guide at https://example.org/help today.",
        "read the guide at example dot org slash help today",
    ),
    Sentence(
        "e-mail",
        "Write to support@example.com with questions.",
        "write to support at example dot com with questions",
    ),
    Sentence(
        "abbreviation",
        "Dr. Brown and Mrs. Green live on Oak St. near Mr. White.",
        "doctor brown and missus green live on oak street near mister white",
    ),
    Sentence(
        "abbreviation",
        "Bring fruit, e.g. apples, pears, etc.",
        "bring fruit for example apples pears et cetera",
    ),
    Sentence(
        "abbreviation", "See fig. 3 in vol. 2 of the book.", "see figure three in volume two of the book"
    ),
    Sentence("acronym", "NASA launched a new rocket on Friday.", "nasa launched a new rocket on friday"),
    Sentence(
        "acronym", "The FBI and the CIA shared the report.", "the f b i and the c i a shared the report"
    ),
    Sentence("acronym", "The U.S. economy is growing again.", "the u s economy is growing again"),
    Sentence(
        "roman",
        "King Louis XIV lived in a great palace.",
        "king louis the fourteenth lived in a great palace",
    ),
    Sentence(
        "roman",
        "Please read Chapter IV before World War II is discussed.",
        "please read chapter four before world war two is discussed",
    ),
    Sentence(
        "emoji",
        "Your order is ready ✅ and on its way.",
        "your order is ready check mark button and on its way",
    ),
    Sentence(
        "quotes", "“I can't believe it,” she said — ‘it's over’.", "i cant believe it she said its over"
    ),
    Sentence("punctuation", "Wait... what?! You really did that?!", "wait what you really did that"),
    Sentence(
        "scripts",
        "The word café comes from French, and Москва means Moscow.",
        "the word cafe comes from french and moskva means moscow",
    ),
    Sentence(
        "symbols",
        "In this language, 2*3*4 = 24.",
        "in this language two times three times four equals twenty four",
    ),
    Sentence(
        "symbols", "She writes programs in C++ and C#.", "she writes programs in c plus plus and c sharp"
    ),
    Sentence(
        "symbols",
        "The variable is called user_name here.",
        "the variable is called user underscore name here",
    ),
    Sentence(
        "hashtag",
        "Follow the news with #ClimateAction this week.",
        "follow the news with hashtag climate action this week",
    ),
    Sentence(
        "markup",
        "This is **very** important, see [the manual](https://example.com/m).",
        "this is very important see the manual",
    ),
    Sentence("capitals", "PLEASE DO NOT TOUCH THE GLASS.", "please do not touch the glass"),
]

SPANISH = [
    Sentence(
        "plain",
        "El perro duerme tranquilo junto a la ventana.",
        "el perro duerme tranquilo junto a la ventana",
    ),
    Sentence("integer", "El año tiene 365 días.", "el año tiene trescientos sesenta y cinco días"),
    Sentence(
        "thousands",
        "La ciudad tiene 1.250.000 habitantes.",
        "la ciudad tiene un millón doscientos cincuenta mil habitantes",
    ),
    Sentence(
        "thousands", "Asistieron 10 000 personas al concierto.", "asistieron diez mil personas al concierto"
    ),
    Sentence(
        "decimal", "La nota media fue de 7,25 puntos.", "la nota media fue de siete coma veinticinco puntos"
    ),
    Sentence(
        "agreement",
        "Había 200 mujeres y 21 niños en la plaza.",
        "había doscientas mujeres y veintiún niños en la plaza",
    ),
    Sentence("negative", "Esta mañana estábamos a -5 grados.", "esta mañana estábamos a menos cinco grados"),
    Sentence(
        "ordinal", "Vive en el 3.er piso, en la 2ª puerta.", "vive en el tercer piso en la segunda puerta"
    ),
    Sentence("ordinal", "Es el 1.º de su clase.", "es el primero de su clase"),
    Sentence("year", "La empresa se fundó en 1998.", "la empresa se fundó en mil novecientos noventa y ocho"),
    Sentence("decade", "Nos gusta la música de los años 80.", "nos gusta la música de los años ochenta"),
    Sentence(
        "date",
        "La reunión es el 22 de noviembre de 2026.",
        "la reunión es el veintidós de noviembre de dos mil veintiséis",
    ),
    Sentence(
        "date",
        "El paquete llega el 22/11/2026.",
        "el paquete llega el veintidós de noviembre de dos mil veintiséis",
    ),
    Sentence(
        "date",
        "El contrato termina el 2027-12-31.",
        "el contrato termina el treinta y uno de diciembre de dos mil veintisiete",
    ),
    Sentence(
        "time", "El tren sale a las 14:30 de la vía 6.", "el tren sale a las catorce y treinta de la vía seis"
    ),
    Sentence(
        "time", "Llámame a las 2:30 p. m. por favor.", "llámame a las dos y treinta de la tarde por favor"
    ),
    Sentence(
        "time",
        "La tienda cierra a las 21:00 todos los días.",
        "la tienda cierra a las veintiuna horas todos los días",
    ),
    Sentence(
        "money",
        "El café cuesta 1,50 € en esta cafetería.",
        "el café cuesta un euro con cincuenta céntimos en esta cafetería",
    ),
    Sentence("money", "Vendió el cuadro por 1.500 €.", "vendió el cuadro por mil quinientos euros"),
    Sentence(
        "money", "El hotel cobra 800 MXN por noche.", "el hotel cobra ochocientos pesos mexicanos por noche"
    ),
    Sentence(
        "money",
        "La entrada vale $25.50 en Nueva York.",
        "la entrada vale veinticinco dólares con cincuenta centavos en nueva york",
    ),
    Sentence(
        "money",
        "Invirtieron 3,5 millones de euros en la fábrica.",
        "invirtieron tres coma cinco millones de euros en la fábrica",
    ),
    Sentence(
        "percent",
        "Las ventas subieron un 12,5 % en marzo.",
        "las ventas subieron un doce coma cinco por ciento en marzo",
    ),
    Sentence("range", "Es un juego para niños de 3-5 años.", "es un juego para niños de tres a cinco años"),
    Sentence(
        "fraction",
        "Añade 1/2 litro de leche y 3/4 de azúcar.",
        "añade medio litro de leche y tres cuartos de azúcar",
    ),
    Sentence("unit", "El pueblo está a 12 km de la costa.", "el pueblo está a doce kilómetros de la costa"),
    Sentence(
        "unit", "El coche circulaba a 120 km/h.", "el coche circulaba a ciento veinte kilómetros por hora"
    ),
    Sentence(
        "unit", "Compra 2 kg de tomates y 1 l de aceite.", "compra dos kilos de tomates y un litro de aceite"
    ),
    Sentence(
        "unit",
        "Hoy llegaremos a 38 °C en Sevilla.",
        "hoy llegaremos a treinta y ocho grados celsius en sevilla",
    ),
    Sentence(
        "unit", "El piso mide 85 m² en total.", "el piso mide ochenta y cinco metros cuadrados en total"
    ),
    Sentence(
        "phone",
        "Llama al 612 345 678 para más información.",
        "llama al seis uno dos tres cuatro cinco seis siete ocho para más información",
    ),
    Sentence(
        "address",
        "Más detalles en www.ejemplo.es/ayuda.",
        "más detalles en uve doble uve doble uve doble punto ejemplo punto es barra ayuda",
    ),
    Sentence(
        "address",
        "Visita https://ejemplo.com para leer la guía.",
        "visita ejemplo punto com para leer la guía",
    ),
    Sentence(
        "e-mail",
        "Escribe a soporte@ejemplo.com si tienes dudas.",
        "escribe a soporte arroba ejemplo punto com si tienes dudas",
    ),
    Sentence(
        "abbreviation",
        "El Dr. García y la Sra. López viven en la Avda. Mayor.",
        "el doctor garcía y la señora lópez viven en la avenida mayor",
    ),
    Sentence(
        "abbreviation",
        "Su hermana trabaja en EE. UU. desde enero.",
        "su hermana trabaja en estados unidos desde enero",
    ),
    Sentence(
        "abbreviation",
        "Trae fruta, p. ej. manzanas, peras, etc.",
        "trae fruta por ejemplo manzanas peras etcétera",
    ),
    Sentence("abbreviation", "Véase la pág. 25 del cap. 3.", "véase la página veinticinco del capítulo tres"),
    Sentence("acronym", "La ONU y la OTAN se reunieron ayer.", "la onu y la otan se reunieron ayer"),
    Sentence(
        "acronym",
        "Necesito el DNI para viajar con la familia.",
        "necesito el de ene i para viajar con la familia",
    ),
    Sentence("roman", "Felipe VI es el rey de España.", "felipe sexto es el rey de españa"),
    Sentence(
        "roman",
        "Estamos en el siglo XXI y no en el siglo XIX.",
        "estamos en el siglo veintiuno y no en el siglo diecinueve",
    ),
    Sentence(
        "emoji", "Tu pedido está listo ❤️ y va en camino.", "tu pedido está listo corazón rojo y va en camino"
    ),
    Sentence(
        "quotes", "«No lo puedo creer», dijo ella — “se acabó”.", "no lo puedo creer dijo ella se acabó"
    ),
    Sentence("punctuation", "¿De verdad vienes mañana? ¡Qué alegría!", "de verdad vienes mañana qué alegría"),
    Sentence("punctuation", "Pero... ¿¡qué has hecho!?", "pero qué has hecho"),
    Sentence(
        "symbols",
        "En este lenguaje, 2*3*4 = 24.",
        "en este lenguaje dos por tres por cuatro igual a veinticuatro",
    ),
    Sentence(
        "symbols", "La variable se llama nombre_completo.", "la variable se llama nombre guion bajo completo"
    ),
    Sentence(
        "markup",
        "Esto es **muy** importante, mira [el manual](https://ejemplo.com/m).",
        "esto es muy importante mira el manual",
    ),
    Sentence("capitals", "POR FAVOR, NO TOCAR EL CRISTAL.", "por favor no tocar el cristal"),
]

SENTENCES = {"en": ENGLISH, "es": SPANISH}
