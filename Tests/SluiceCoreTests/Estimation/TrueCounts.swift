import Testing

/// Texts with the tokens that the vocabularies really have for them.
///
/// Counted with tiktoken 0.14, `encode(text, disallowed_special=())`.
struct TrueCount: Sendable, CustomTestStringConvertible {
    var kind: String
    var cl100k: Int
    var o200k: Int
    /// The share by which an estimate may differ: more for short mixtures.
    var tolerance = 0.2
    var text: String

    var testDescription: String { self.kind }

    static let all = [
        TrueCount(
            kind: "English",
            cl100k: 80,
            o200k: 80,
            text: "The harbour was quiet when we arrived. A few boats moved slowly against the wall, and so"
                + "mebody had left a lamp burning in the office of the pilots. Nobody knew whether the ferr"
                + "y would leave before the storm, so we bought bread and coffee and waited on the bench be"
                + "side the gate. After an hour the captain came, looked at the sky for a long time, and sa"
                + "id that we would go."
        ),
        TrueCount(
            kind: "German",
            cl100k: 87,
            o200k: 70,
            text: "Der Hafen lag ruhig da, als wir ankamen. Ein paar Boote bewegten sich langsam an der Mau"
                + "er, und jemand hatte im Büro der Lotsen eine Lampe brennen lassen. Niemand wusste, ob di"
                + "e Fähre vor dem Sturm auslaufen würde, also kauften wir Brot und Kaffee und warteten auf"
                + " der Bank neben dem Tor."
        ),
        TrueCount(
            kind: "French",
            cl100k: 84,
            o200k: 68,
            text: "Le port était calme à notre arrivée. Quelques bateaux bougeaient lentement contre le mur"
                + ", et quelqu'un avait laissé une lampe allumée dans le bureau des pilotes. Personne ne sa"
                + "vait si le ferry partirait avant la tempête, alors nous avons acheté du pain et du café,"
                + " puis nous avons attendu près du portail."
        ),
        TrueCount(
            kind: "Spanish",
            cl100k: 83,
            o200k: 70,
            text: "El puerto estaba tranquilo cuando llegamos. Unos pocos barcos se movían despacio junto a"
                + "l muro y alguien había dejado una lámpara encendida en la oficina de los pilotos. Nadie "
                + "sabía si el transbordador saldría antes de la tormenta, así que compramos pan y café y e"
                + "speramos en el banco junto a la puerta."
        ),
        TrueCount(
            kind: "Polish",
            cl100k: 91,
            o200k: 83,
            text: "Kiedy przyjechaliśmy, w porcie było cicho. Kilka łodzi powoli poruszało się przy murze, "
                + "a ktoś zostawił zapaloną lampę w biurze pilotów. Nikt nie wiedział, czy prom odpłynie pr"
                + "zed burzą, więc kupiliśmy chleb i kawę i czekaliśmy na ławce obok bramy."
        ),
        TrueCount(
            kind: "Turkish",
            cl100k: 107,
            o200k: 83,
            text: "Vardığımızda liman sessizdi. Birkaç tekne duvarın kenarında yavaşça hareket ediyordu ve "
                + "biri kılavuzların ofisinde bir lamba yakmıştı. Feribotun fırtınadan önce kalkıp kalkmaya"
                + "cağını kimse bilmiyordu, bu yüzden ekmek ve kahve alıp kapının yanındaki bankta bekledik"
                + "."
        ),
        TrueCount(
            kind: "Vietnamese",
            cl100k: 128,
            o200k: 85,
            text: "Bến cảng yên tĩnh khi chúng tôi đến. Vài chiếc thuyền di chuyển chậm rãi bên bức tường, "
                + "và ai đó đã để một ngọn đèn cháy trong văn phòng hoa tiêu. Không ai biết liệu phà có rời"
                + " bến trước cơn bão hay không, nên chúng tôi mua bánh mì và cà phê rồi chờ trên ghế."
        ),
        TrueCount(
            kind: "Russian",
            cl100k: 118,
            o200k: 76,
            text: "Когда мы приехали, в порту было тихо. Несколько лодок медленно двигались у стены, и кто-"
                + "то оставил гореть лампу в конторе лоцманов. Никто не знал, уйдёт ли паром до шторма, поэ"
                + "тому мы купили хлеб и кофе и ждали на скамейке возле ворот."
        ),
        TrueCount(
            kind: "Greek",
            cl100k: 185,
            o200k: 84,
            text: "Το λιμάνι ήταν ήσυχο όταν φτάσαμε. Λίγες βάρκες κινούνταν αργά δίπλα στον τοίχο και κάπο"
                + "ιος είχε αφήσει μια λάμπα αναμμένη στο γραφείο των πλοηγών. Κανείς δεν ήξερε αν το πλοίο"
                + " θα έφευγε πριν από την καταιγίδα."
        ),
        TrueCount(
            kind: "Arabic",
            cl100k: 154,
            o200k: 77,
            text: "كان الميناء هادئا عندما وصلنا. تحركت بعض القوارب ببطء بجانب الجدار، وترك أحدهم مصباحا مض"
                + "اء في مكتب المرشدين. لم يعرف أحد ما إذا كانت العبارة ستغادر قبل العاصفة، فاشترينا الخبز "
                + "والقهوة وانتظرنا على المقعد قرب البوابة."
        ),
        TrueCount(
            kind: "Hebrew",
            cl100k: 169,
            o200k: 71,
            text: "הנמל היה שקט כשהגענו. כמה סירות נעו לאט ליד הקיר, ומישהו השאיר מנורה דולקת במשרד הנווטים"
                + ". איש לא ידע אם המעבורת תצא לפני הסערה, אז קנינו לחם וקפה וחיכינו על הספסל ליד השער."
        ),
        TrueCount(
            kind: "Hindi",
            cl100k: 191,
            o200k: 60,
            text: "जब हम पहुँचे तो बंदरगाह शांत था। कुछ नावें दीवार के पास धीरे-धीरे हिल रही थीं, और किसी न"
                + "े कार्यालय में एक दीपक जलता छोड़ दिया था। किसी को नहीं पता था कि नाव तूफ़ान से पहले निकल"
                + "ेगी या नहीं।"
        ),
        TrueCount(
            kind: "Thai",
            cl100k: 156,
            o200k: 76,
            text: "ท่าเรือเงียบสงบเมื่อเรามาถึง เรือสองสามลำเคลื่อนไหวช้าๆ ข้างกำแพง และมีคนทิ้งตะเกียงไว้ใ"
                + "นสำนักงาน ไม่มีใครรู้ว่าเรือข้ามฟากจะออกก่อนพายุหรือไม่ เราจึงซื้อขนมปังและกาแฟ"
        ),
        TrueCount(
            kind: "Japanese",
            cl100k: 127,
            o200k: 102,
            text: "私たちが着いたとき、港は静かだった。何隻かの船が壁のそばでゆっくりと動き、誰かが水先案内人の事務所にランプをつけたままにしていた。嵐の前にフェリーが出るかどうか誰も知らなかった"
                + "ので、パンとコーヒーを買って門のそばのベンチで待った。"
        ),
        TrueCount(
            kind: "Chinese",
            cl100k: 116,
            o200k: 72,
            text: "我们到达的时候，港口很安静。几条船在墙边慢慢地移动，有人在领航员的办公室里留了一盏灯。没有人知道渡船会不会在暴风雨之前离开，所以我们买了面包和咖啡，在门口旁边的长椅上等着。"
        ),
        TrueCount(
            kind: "Korean",
            cl100k: 139,
            o200k: 87,
            text: "우리가 도착했을 때 항구는 조용했다. 배 몇 척이 벽 옆에서 천천히 움직이고 있었고, 누군가 도선사 사무실에 등불을 켜 두었다. 폭풍이 오기 전에 배가 떠날지"
                + " 아무도 몰랐기 때문에 우리는 빵과 커피를 사서 문 옆의 의자에서 기다렸다."
        ),
        TrueCount(
            kind: "Swift code",
            cl100k: 116,
            o200k: 117,
            text: "struct RingBuffer<Element> {\n    private var storage: [Element?]\n    private var head "
                + "= 0\n    private(set) var count = 0\n\n    init(capacity: Int) { self.storage = Array(re"
                + "peating: nil, count: max(1, capacity)) }\n\n    mutating func append(_ element: Element)"
                + " -> Bool {\n        guard self.count < self.storage.count else { return false }\n       "
                + " self.storage[(self.head + self.count) % self.storage.count] = element\n        self.cou"
                + "nt += 1\n        return true\n    }\n}\n"
        ),
        TrueCount(
            kind: "Python code",
            cl100k: 94,
            o200k: 95,
            text: "def parse_header(line, *, limit=4096):\n    if len(line) > limit:\n        raise ValueEr"
                + "ror(f\"line of {len(line)} bytes, at most {limit}\")\n    name, sep, value = line.partit"
                + "ion(\":\")\n    if not sep or not name.strip():\n        return None\n    return name.st"
                + "rip().lower(), value.strip()\n\n\nfor key, value in filter(None, map(parse_header, lines"
                + ")):\n    headers.setdefault(key, []).append(value)\n"
        ),
        TrueCount(
            kind: "JSON",
            cl100k: 99,
            o200k: 99,
            text: "{\"id\": \"req_01J8Z\", \"model\": \"gpt-4o\", \"stream\": true, \"temperature\": 0.7, "
                + "\"messages\": [{\"role\": \"user\", \"content\": \"What is the weather?\"}], \"usage\": "
                + "{\"prompt_tokens\": 1312, \"completion_tokens\": 87, \"total_tokens\": 1399}, \"created"
                + "\": 1732199000, \"tags\": [\"a\", \"b\", null]}"
        ),
        TrueCount(
            kind: "indented JSON",
            cl100k: 119,
            o200k: 119,
            text: "{\n  \"name\": \"worker-7\",\n  \"limits\": {\n    \"requestsPerMinute\": 600,\n    \"to"
                + "kensPerMinute\": 120000\n  },\n  \"backends\": [\n    {\n      \"url\": \"http://10.0.0."
                + "7:8000/v1\",\n      \"weight\": 3,\n      \"healthy\": true\n    },\n    {\n      \"url"
                + "\": \"http://10.0.0.8:8000/v1\",\n      \"weight\": 1,\n      \"healthy\": false\n    }"
                + "\n  ]\n}"
        ),
        TrueCount(
            kind: "Markdown",
            cl100k: 74,
            o200k: 74,
            text: "## Install\n\n1. Download the archive from the [release page](https://example.com/releas"
                + "es).\n2. Run `make install`.\n\n| Setting | Default | Meaning |\n|---|---|---|\n| `port`"
                + " | 8080 | where it listens |\n| `workers` | 4 | how many at once |\n\n> **Note:** restar"
                + "t afterwards.\n"
        ),
        TrueCount(
            kind: "numbers",
            cl100k: 186,
            o200k: 186,
            text: "75, 17094, 937, 62135, 609067, 9, 7, 564, 24, 493107, 72041, 6506, 902847, 29, 158987, 8"
                + "777524, 248, 814989, 2, 9917005, 4, 520290, 4520313, 9744, 964854, 6994, 9452, 2197, 99,"
                + " 2, 3555, 988, 457348, 5050381, 8310, 6473761, 45994, 76686, 9572, 43, 960213, 4, 87985,"
                + " 171022, 902443, 987, 74967, 13641, 687353, 81"
        ),
        TrueCount(
            kind: "log",
            cl100k: 263,
            o200k: 263,
            text: "2026-11-01 00:00:00.000 INFO 10.0.0.0 GET /v1/models 200 0\n2026-11-02 02:07:13.077 INFO"
                + " 10.0.1.3 GET /v1/models 200 91\n2026-11-03 04:14:26.154 INFO 10.0.2.6 GET /v1/models 20"
                + "0 182\n2026-11-04 06:21:39.231 INFO 10.0.3.9 GET /v1/models 200 273\n2026-11-05 08:28:52"
                + ".308 INFO 10.0.4.12 GET /v1/models 200 364\n2026-11-06 10:35:05.385 INFO 10.0.5.15 GET /"
                + "v1/models 200 455\n2026-11-07 12:42:18.462 INFO 10.0.6.18 GET /v1/models 200 546\n2026-1"
                + "1-08 14:49:31.539 INFO 10.0.7.21 GET /v1/models 200 637"
        ),
        TrueCount(
            kind: "base64",
            cl100k: 241,
            o200k: 224,
            text: "w0Hk1PNJ8vw6BNOSKq1fRO348kgl9tofwvM+EOJxZHuM+ZvaS6yFo1vtY/2DOsd7OR+pFtWjFViz0PPMJXwNEb4G"
                + "FGkbGKjlT4+YJnDvJgX3dDxLjClZbZaLz8TXXkpq4aht3wtccR4/ClALv4Xgmu8AUp0fe/rCOTSBCyvQt2AMt+u3"
                + "vK0cljxpuVSdmQSNlAKD4Rt7AOzj8Qr7RVxxR886Y4E/Umc8QEie/zwjOAl3iUZPNQHaATlatBP1tK0bMQ6Kma2m"
                + "G4loXwgIqNDq8lDQhzJ5jK/4qYBuaDgcp0rakkecKm1sQzKo/CfOWJKw"
        ),
        TrueCount(
            kind: "hexadecimal",
            cl100k: 225,
            o200k: 226,
            text: "e312dd0aa9d3d9fa5bc426def709fe566c325750edd7355c4eb46af5e75569236a7c8be58ada98dcb1cbb660"
                + "8fc47260de67dd75fa35b1dec4802385708add6215e4d5a4b9bce8ddbb887c98d61a54aea3bb2b8f6736421a"
                + "0996c09ef2e10ef9e38dccf0b840bfcf6582cc8141f57345d291626e3cdb60a27e5166b894f632b701b0d53c"
                + "6b43baef5d07144de471fc6fd7ec50fab98c1b423599688551f5904d67f0658cc0adc256abe0ee02c559d4c9"
                + "89394b6a7fe9c9fca49978944dbd9b50b22f2205ab636360"
        ),
        TrueCount(
            kind: "emoji",
            cl100k: 45,
            o200k: 32,
            tolerance: 0.35,
            text: "😂😂😂 great work 👍 🎉🎉 see you tomorrow 🚀 ❤️ and thanks 🙏🙏 ✨✨ 🔥 good night 😴🌙"
        ),
        TrueCount(
            kind: "mixed",
            cl100k: 35,
            o200k: 29,
            tolerance: 0.35,
            text: "Please translate \"こんにちは世界\" and 你好，世界 into English (max. 200 words). Привет! 123 ★ naïv"
                + "e café"
        ),
    ]
}
