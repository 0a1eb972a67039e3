package catalog_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
)

// findings of a text in short: rule and severity of each.
func lintWords(text string) (refused []catalog.LintRule, warned []catalog.LintRule) {
	for _, f := range catalog.LintText("summary", "en", text) {
		if f.Severity == catalog.Refuse {
			refused = append(refused, f.Rule)
		} else {
			warned = append(warned, f.Rule)
		}
	}
	return refused, warned
}

func TestLintRefuses(t *testing.T) {
	for rule, texts := range map[catalog.LintRule][]string{
		catalog.LintGuarantee: {
			"We guarantee a full recovery.", "A cure is guaranteed.", "Recovery guaranteed within a week", "Guaranteed success for every patient",
			"100% effective", "100 percent safe and painless", "A permanent cure for myopia", "You will be completely cured.", "This therapy cures lymphoma.",
			"We promise a lasting recovery", "A miracle treatment", "A risk-free procedure", "The operation has no side effects.", "Zero risk, zero pain",
			"without any side effects", "The tumour never comes back", "Money-back if it does not work", "Not only a guaranteed recovery but comfort",
			"ＧＵＡＲＡＮＴＥＥＤ　ＣＵＲＥ", "guaran\u200bteed cure",
			"包治百病", "保证治愈", "保证您的治疗效果", "我们承诺无效退款", "疗效有保证", "根治近视", "彻底治愈乙肝", "永不复发", "药到病除", "零风险手术", "无任何副作用",
			"立竿见影", "百分之百成功", "保 证 疗 效", "不仅保证疗效，还提供翻译", "確保療效",
			"نضمن لكم الشفاء", "شفاء تام خلال أسبوع", "Гарантируем полное излечение", "Лечение без риска", "Nous garantissons la guérison", "Une opération sans risque",
			"Garantizamos la curación", "Operación sin ningún riesgo",
		},
		catalog.LintSuperlative: {
			"The best hospital in China", "Our best surgeons operate", "the very best care", "Shanghai's best eye clinic", "China's No. 1 heart centre", "Ranked number one",
			"We are #1", "The safest way to see again", "the most experienced team", "world-class surgeons", "second to none", "unparalleled expertise",
			"a top-ranked department", "Top surgeons at your side", "first-class treatment",
			"最佳治疗", "最好的医院", "全国第一", "行业第一品牌", "最安全的手术", "国家级专家团队", "世界级水平", "顶尖医生", "国内一流", "首屈一指", "第 一 名", "最先進設備", "上海最权威的专家",
			"أفضل مستشفى في آسيا", "Лучшая клиника Шанхая", "Клиника № 1", "Le meilleur hôpital de Chine", "El mejor hospital de China", "numéro un en Asie",
		},
		catalog.LintComparison: {
			"Better results than any other hospital", "Safer than in European clinics", "cheaper than in hospitals at home", "more experienced than other centres",
			"Unlike other hospitals, we listen", "No other clinic offers it", "compared with other hospitals", "We outperform all others",
			"疗效优于其他医院", "技术超过国外医院", "比国外医院更便宜", "比其他医院好", "其他医院无法做到", "水平领先于同行",
			"Мы лечим лучше, чем другие клиники",
		},
		catalog.LintEndorsement: {
			"Recommended by thousands of patients", "Endorsed by leading experts", "Patients love us", "trusted by royal families", "Read the testimonials",
			"Our happy patients", "Doctors recommend this hospital", "Our success stories",
			"专家一致推荐", "患者好评", "明星代言", "深受患者信赖", "名人推荐", "成功案例分享", "口碑相传",
		},
		catalog.LintOutcome: {
			"A success rate of 98%", "98% success rate", "The five-year survival rate is 91.4 percent", "95 % of patients are cured", "9 out of 10 patients recover",
			"complication rate below 1%",
			"治愈率高达98%", "五年生存率为91%", "有效率95%", "成功率高", "98%治愈", "临床缓解率超过80%",
			"taux de réussite de 98 %", "tasa de éxito del 98 %", "выживаемость 91 %", "نسبة نجاح ٩٨",
		},
	} {
		for _, text := range texts {
			refused, _ := lintWords(text)
			found := false
			for _, r := range refused {
				found = found || r == rule
			}
			if !found {
				t.Errorf("%s: %q passes (found %v)", rule, text, refused)
			}
		}
	}
}

func TestLintWarns(t *testing.T) {
	for text, rule := range map[string]catalog.LintRule{
		"Over 3,000 procedures every year":         catalog.LintUnsourced,
		"The only centre in the city with it":      catalog.LintUnsourced,
		"The price is CNY 30,000":                  catalog.LintUnsourced,
		"A leading hospital for children":          catalog.LintSuperlative,
		"state-of-the-art equipment":               catalog.LintSuperlative,
		"The examination is painless.":             catalog.LintGuarantee,
		"每年完成5000余例手术":                             catalog.LintUnsourced,
		"国内首家开展":                                   catalog.LintUnsourced,
		"知名专家坐诊":                                   catalog.LintSuperlative,
		"费用约30000元":                                catalog.LintUnsourced,
		"One of the largest, with 12 000 patients": catalog.LintUnsourced,
	} {
		refused, warned := lintWords(text)
		if len(refused) > 0 || len(warned) == 0 || warned[0] != rule {
			t.Errorf("%q: refused for %v, warned of %v, want a warning of %s", text, refused, warned, rule)
		}
	}
}

// Plain statements, ordinals, terms of medicine, negations and advice pass.
func TestLintPasses(t *testing.T) {
	for _, text := range []string{
		"", "   ", "The lens is placed in front of the natural lens through a small opening.",
		"We cannot guarantee any result.", "There is no guarantee of a cure.", "Nobody can promise a recovery.", "No treatment is completely safe.",
		"A cure is not guaranteed.", "The deposit is guaranteed by the platform.", "The price is guaranteed until 31 December.",
		"best-corrected visual acuity", "Best supportive care is offered.", "Spring is the best time to come.", "We do our best to answer within two days.",
		"in the patient's best interests", "at best after three days",
		"Shanghai No. 1 People's Hospital", "Ward No. 1, building 3", "Go to gate number one.", "No. 10 Medical Road", "Room 1, floor 1", "day 1 to day 10",
		"Doctors recommend rest for a week.", "Unless recommended by your doctor, do not fly.", "Patients choose a single or a double room.", "Experts from three departments see you.",
		"The wound is better protected than with a plaster.", "Surgery through a small opening heals faster than open surgery.", "more than two nights",
		"Your heart rate is watched for 24 hours.", "Ask for the complication rate of the team.", "The survival of the graft is checked.", "30% of the price is due on arrival.",
		"You are pain free only after some days; there is some pain.", "Risks: bleeding, infection, halos at night.", "It can fail, and the lens may need to be taken out.",
		"an international department open on weekdays", "one of three campuses", "leading to the main gate", "the first day", "first aid", "first-line therapy", "follow-up at three months",
		"The most common complaint is dry eyes.", "at most two companions", "top floor", "on top of the lens", "It treats a condition that cannot be cured.", "not the best choice for everyone",
		"上海市第一人民医院", "第一天入院检查", "第一次就诊", "上海交通大学医学院附属第一妇婴", "前列腺癌根治术", "根治性放疗", "最佳矫正视力", "最好提前两周预约", "最好携带既往病历",
		"不保证疗效", "无法保证治愈", "任何治疗都不能承诺成功", "手术有风险，包括出血和感染", "包括有效的护照", "打包好行李", "建立医疗安全保障制度", "住院3至5天", "最多两名陪同", "最大矫正",
		"国家级继续教育项目", "手术成功后第二天换药", "术前检查需一天", "请由主治医生判断", "超过200家医院参与", "专家团队由三个科室组成", "患者可选择单人间", "医生会推荐休息一周",
		"نشرح العملية والمخاطر قبل الموافقة", "لا نضمن الشفاء", "أفضل وقت للزيارة هو الربيع",
		"Мы не гарантируем результат", "Лучше приехать за день до операции", "Врач объясняет риски",
		"Nous ne garantissons pas la guérison", "Le meilleur moment est le printemps", "Le médecin explique les risques",
		"No garantizamos la curación", "El mejor momento es la primavera", "a lo mejor al día siguiente",
	} {
		if refused, warned := lintWords(text); len(refused)+len(warned) > 0 {
			t.Errorf("%q: %v %v, in %+v", text, refused, warned, catalog.LintText("", "", text))
		}
	}
}

func TestLintOfAnEntryNamesTheField(t *testing.T) {
	source := catalog.Source{Address: "https://hospital.example/report", Date: "2025", Grade: catalog.GradeHospital}
	o := catalog.Offering{
		ID: "x", TreatmentID: "t", HospitalID: "h",
		Summary: catalog.Text{"en": "plain", "zh-Hans": "保证治愈"},
		Team:    catalog.Text{"en": "Our best surgeons"},
		Price:   &catalog.Price{Model: catalog.PriceByTier, Tiers: []catalog.PriceTier{{Label: catalog.Text{"en": "the best hospital care"}}}},
		Claims: []catalog.Claim{
			{Kind: catalog.ClaimFact, Text: catalog.Text{"en": "98% success rate in 120 patients"}, Outcome: true, Source: source},
			{Kind: catalog.ClaimFact, Text: catalog.Text{"en": "98% success rate"}, Source: source},
			{Kind: catalog.ClaimDesignation, Text: catalog.Text{"zh-Hans": "国家级重点专科"}, Source: source},
			{Kind: catalog.ClaimFact, Text: catalog.Text{"en": "A cure is guaranteed."}, Outcome: true, Source: source},
			{Kind: catalog.ClaimFact, Text: catalog.Text{"en": "Open on weekdays."}, Unverified: true},
		},
	}
	var got []string
	for _, f := range catalog.Lint(o) {
		got = append(got, f.Path()+" "+string(f.Rule)+" "+string(f.Severity))
		if f.Message == "" {
			t.Errorf("%s: no message", f.Path())
		}
	}
	want := []string{
		"summary.zh-Hans guarantee refuse", "team.en superlative refuse", "price.tiers[0].label.en superlative refuse",
		"claims[1].text.en outcome refuse", "claims[2].text.zh-Hans superlative warn", "claims[3].text.en guarantee refuse",
		"claims[4].source.address unsourced warn",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzLint(f *testing.F) {
	for _, s := range []string{"We guarantee a cure", "保证治愈", "第 一", "no guarantee", "\xff\x00", "100%\u200b safe", "лучшая клиника"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, finding := range catalog.LintText("f", "en", text) {
			if finding.Words == "" || !utf8.ValidString(finding.Words) || finding.Message == "" {
				t.Fatalf("%q: %+v", text, finding)
			}
		}
	})
}
