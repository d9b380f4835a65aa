"""Korean texts of the SQL page: its editor and the worked queries."""

from __future__ import annotations

TEXTS = {
    "sql_placeholder": "오른쪽 뷰에 대한 SELECT 한 개",
    "sql_keys": "이름 완성 Ctrl+Space, 실행 Ctrl+Enter, 나가기 Esc 다음 Tab",
    "sql_purpose_first": "관측 자료 분석",
    "sql_filter": "열 찾기",
    "sql_filter_none": "이름이나 뜻에 이 말이 들어간 뷰나 열이 없습니다.",
    "worked_footage": "어느 날 어떤 영상을 얼마나 분석했는가?",
    "worked_passes": "시간대와 동별 통행은 몇 건인가?",
    "worked_mask_share": "동과 시간대별 마스크 착용 비율은?",
    "worked_mask_sure": "얼굴 크기에 따라 마스크 판정은 얼마나 확실한가?",
    "worked_stay": "사람들이 가장 오래 머무는 카메라는?",
    "worked_crowded": "구역마다 분 단위로 얼마나 붐볐는가?",
    "worked_blind": "분석한 영상이 전혀 없는 카메라는 어디인가?",
    "worked_gaps": "카메라별 마지막 통행들의 간격은?",
    "worked_cumulative": "동별로 매시간까지 24시간 누적 통행은 몇 건인가?",
    "worked_as_of": "각 통행 바로 앞에 같은 카메라를 지난 통행과 그 간격은?",
    "worked_case_contacts": "사례별 밀접·일상 접촉자는 몇 명인가?",
    "worked_case_masks": "마스크에 따라 노출 지수는 어떻게 다른가?",
    "worked_case_exposure": "언제 어디에서 가장 많은 사람이 노출되었는가?",
    "worked_case_path": "사례별 동선에서 포착된 부분과 추정한 부분은?",
}
